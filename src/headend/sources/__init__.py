"""What can be published besides a live stream: files and devices, as tags in real time."""
