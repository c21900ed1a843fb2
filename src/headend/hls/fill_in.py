"""What stands in for a track of a run that pauses or does not come.

    picture   ──────────K─────                    K──────      comes
                               K    K    K    K                stands in: its newest keyframe
    sound     ──────    ──────────────────────────────────     comes
                    ~~~~                                       stands in: silence

Players in browsers can't go on without a track that they had, or with one more.
"""

from typing import Final

from headend.codec.package import MAX_HOLE_MS, Packet
from headend.errors import MediaError
from headend.hls.order import PATIENCE_MS, Order
from headend.media.silence import Silence
from headend.media.tag import AUDIO

STILL_MS: Final = 500  # from one picture that stands in to the next


class FillIn:
    """Stands in for the tracks of one run.

    Attributes:
        silence: Stands in for sound that does not come; None: it comes.
        still: Stands in for pictures that do not come; None: they come.
        is_filled: The sound pauses, and silence stands in for it.
    """

    def __init__(
        self, silence: Silence | None, spare: Silence | None, still: Packet | None, start: int
    ) -> None:
        """Begin with a run.

        Args:
            silence: See the attribute.
            spare: Silence for sound that comes, when it pauses; None: there is none.
            still: See the attribute; the run begins with it.
            start: Time of the run's first packet, ms.
        """
        self.silence = silence
        self.still = still
        self.is_filled = False
        self._spare = spare
        self._sounded = float(start)  # up to where silence stands
        self._shown = start  # when the newest still is shown

    def has_filled(self, packet: Packet) -> bool:
        """Say whether silence stands where a packet of the run belongs; sound is back else."""
        if not self.is_filled or packet.kind is not AUDIO:
            return False
        self.is_filled = packet.dts < self._sounded
        return self.is_filled

    def fill(self, order: Order, until: int) -> None:
        """Add what stands in, up to a time.

        Raises:
            MediaError: Sound and picture are too far apart.
        """
        if self.still is not None:
            while self._shown + STILL_MS <= until:
                self._shown += STILL_MS
                order.add(self.still._replace(dts=self._shown, pts=self._shown))
        silence = self.silence or self._spare
        if silence is None:
            return
        if self.silence is None and not self.is_filled:
            if order.silent_ms(AUDIO) < PATIENCE_MS[AUDIO]:
                return
            self.is_filled = True
            self._sounded = order.newest[AUDIO] + silence.duration_ms
        if until - self._sounded > MAX_HOLE_MS:
            raise MediaError(f"sound and picture are over {MAX_HOLE_MS // 1000} s apart")
        while self._sounded <= until:
            time = round(self._sounded)
            order.add(Packet(AUDIO, time, time, True, silence.payload))
            self._sounded += silence.duration_ms
