"""FFmpeg, through PyAV: tags from packets and frames, and packets and frames from tags.

`headend.client` and `headend.embed` share it: what plays is a `TagSource`, what publishes a
`TagSink`. PyAV is loaded when the first packet or frame is asked for.
"""

from headend.codec.encoding import Encoding
from headend.codec.sink import TagSink
from headend.codec.source import TagSource

__all__ = ["Encoding", "TagSink", "TagSource"]
