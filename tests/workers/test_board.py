"""The page that workers share."""

from headend.workers.board import Board


def test_worker_that_beats_is_seen_to_beat_and_others_are_not() -> None:
    board = Board(2)
    board.beat(1, 12.5)
    assert (board.last_beat(0), board.last_beat(1)) == (0.0, 12.5)


def test_numbers_of_workers_are_all_different_and_grow() -> None:
    board = Board(3)
    numbers = [board.next_number(worker) for worker in (0, 0, 2, 1, 1, 0)]
    assert len(set(numbers)) == len(numbers)
    assert numbers == sorted(numbers)
    assert numbers[0] == 1


def test_worker_that_is_started_again_gives_out_no_number_twice() -> None:
    board = Board(2)
    before = {board.next_number(1) for _ in range(5)}
    assert board.next_number(1) not in before  # another process, the same page
