"""Models of the API for what is no value of the server; the OpenAPI document has both.

A value of the server, a frozen dataclass such as `StreamStatus`, is given as it is.
"""

from pydantic import BaseModel, ConfigDict, Field

from headend.live.status import CertificateStatus, SessionStatus, StreamStatus


class Model(BaseModel):
    """A JSON object; a field that it does not know is an error."""

    model_config = ConfigDict(extra="forbid")


class Problem(Model):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


class Listeners(Model):
    """Addresses, HOST:PORT or unix:PATH."""

    rtmp: list[str]
    tls: list[str]
    http: list[str]
    srt: list[str]


class Worker(Model):
    """One of several processes that serve together."""

    worker: int
    pid: int
    uptime_s: float
    is_stopping: bool
    streams: int = Field(description="Streams that are live; copies count.")
    sessions: int
    viewers: int
    bit_rate_in: int
    bit_rate_out: int
    memory_bytes: int
    loop_lag_s: float


class Server(Model):
    """The server as a whole."""

    version: str
    pid: int
    started: str = Field(description="ISO 8601, UTC.")
    uptime_s: float
    is_stopping: bool
    is_draining: bool = Field(
        default=False, description="It takes nobody new, because it is about to stop."
    )
    listeners: Listeners
    streams: int = Field(description="Streams that are live.")
    sessions: int
    viewers: int
    bytes_in: int
    bytes_out: int
    bit_rate_in: int = Field(description="bit/s published, of all streams.")
    bit_rate_out: int = Field(description="bit/s given to all viewers.")
    memory_bytes: int
    loop_lag_s: float
    features: dict[str, dict[str, int | float | str | bool]] = Field(
        default_factory=dict, description="What each feature says of itself, by name."
    )
    workers: list[Worker] = Field(
        default_factory=list, description="Workers; none where one process serves alone."
    )


class Streams(Model):
    """A page of streams."""

    streams: list[StreamStatus]
    total: int
    next: str | None = Field(description="What `after` takes for the next page.")


class Sessions(Model):
    """A page of sessions."""

    sessions: list[SessionStatus]
    total: int
    next: str | None = Field(description="What `after` takes for the next page.")


class Certificates(Model):
    """All certificates; the first is for clients that ask for no known name."""

    certificates: list[CertificateStatus]


class Setting(Model):
    """One setting in effect."""

    value: object
    source: str = Field(description="default, file NAME, environment NAME or flag NAME.")
    takes: str = Field(description="Values that it takes, in words.")
    meaning: str
    choices: list[str] = Field(description="All values that it takes; empty: there are more.")
    is_editable: bool = Field(description="`PUT /api/v1/settings` may change it.")
    needs_restart: bool = Field(description="A change takes effect with the next start.")


class SettingsFile(Model):
    """The file that `PUT /api/v1/settings` changes."""

    path: str | None
    is_writable: bool
    reason: str = Field(description="Why it cannot be changed; empty: it can.")


class Settings(Model):
    """All settings in effect, by key; secrets are hidden."""

    settings: dict[str, Setting]
    file: SettingsFile
    waiting: list[str] = Field(description="Keys that were changed and wait for a restart.")


class SettingsChange(Model):
    """Keys of the settings file to be changed."""

    settings: dict[str, bool | int | float | str | list[str] | None] = Field(
        min_length=1, max_length=200, description="Values by key; null: back to the default."
    )
    check_only: bool = Field(default=False, description="Only say whether that would be right.")


class SettingsChanged(Model):
    """What a change of settings did."""

    messages: list[str] = Field(description="What happened, a line each.")
    waiting: list[str] = Field(description="Keys that were changed and wait for a restart.")


class Messages(Model):
    """What happened, a line each."""

    messages: list[str]


class SignIn(Model):
    """What a browser shows to sign in."""

    token: str = Field(min_length=1, max_length=200, description="The admin token.")


class SignedIn(Model):
    """A browser's session."""

    csrf: str = Field(description="To be sent as X-CSRF-Token with what changes something.")


class Event(Model):
    """What an update of /api/v1/events holds."""

    server: Server
    streams: list[StreamStatus]
    sessions: list[SessionStatus]
    bars: dict[str, float] = Field(
        default_factory=dict, description="Streams whose encoders are kept away, seconds left."
    )
    more_streams: int = Field(description="How many streams there are besides.")
    more_sessions: int = Field(description="How many sessions there are besides.")
