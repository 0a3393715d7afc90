"""The conversation as a pure thing: any sequence of doings keeps what it promises."""

from __future__ import annotations

import json

import pytest
from cpu_time import measured
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from berlin_magic.conversations import export
from berlin_magic.conversations.cells import active_turns, removed
from berlin_magic.conversations.replay import Digests, digest
from berlin_magic.conversations.turn import Turn
from berlin_magic.conversations.turns import Turns
from berlin_magic.messages import ImagePart, Part, Text, TextPart, content_of


def answered(turns: Turns, prompt: str, reply: str = "", **where: str | None) -> Turn:
    turn = turns.begin(prompt, **where)
    turn.take(Text(reply or f"answer to {prompt}"))
    turns.end(turn, "complete")
    return turn


def prompts(turns: Turns) -> list[str]:
    return [turn.prompt for turn in turns]


def asked(turn: Turn) -> list[str]:
    return [message["content"] for message in turn.asked if message["role"] == "user"]


def four() -> Turns:
    turns = Turns()
    for name in "abcd":
        answered(turns, name, cell=name, run=f"first {name}")
    return turns


def test_a_new_cell_is_asked_on_everything_before_it() -> None:
    turns = four()
    assert asked(turns[3]) == ["a", "b", "c", "d"]
    assert turns[3].chain == tuple(turn.id for turn in turns[:3])


def test_a_cell_run_again_replaces_its_turn_and_is_asked_on_what_stood_before_it() -> None:
    turns = four()
    again = answered(turns, "b2", cell="b", run="second")
    assert asked(again) == ["a", "b2"]
    assert prompts(turns) == ["a", "b2", "c", "d"]
    assert asked(answered(turns, "d2", cell="d", run="third")) == ["a", "b2", "c", "d2"]


def test_later_turns_stay_and_are_marked_until_they_are_run_again() -> None:
    turns = four()
    answered(turns, "b2", cell="b", run="second")
    assert [turn.id in turns.stale() for turn in turns] == [False, False, True, True]
    later = answered(turns, "e", cell="e", run="fifth")
    assert later.stale_before == 2
    for cell in "cde":
        answered(turns, cell, cell=cell, run=f"again {cell}")
    assert turns.stale() == set()


def test_the_same_answer_again_makes_nothing_stale() -> None:
    turns = four()
    answered(turns, "b", cell="b", run="second")
    assert turns.stale() == set()


def test_former_versions_are_kept_and_can_be_made_current_again() -> None:
    turns = four()
    answered(turns, "b2", cell="b", run="second")
    place = turns.place_of(turns[1])
    assert [version.turns[0].prompt for version in place.versions] == ["b", "b2"]
    turns.make_current(place, place.versions[0])
    assert prompts(turns) == ["a", "b", "c", "d"] and turns.stale() == set()


def test_a_cell_that_asks_several_times_holds_its_turns_in_sequence_and_replaces_them_all() -> None:
    turns = four()
    for number in range(3):
        assert len(asked(answered(turns, f"loop {number}", cell="b", run="second"))) == 2 + number
    assert prompts(turns) == ["a", "loop 0", "loop 1", "loop 2", "c", "d"]
    answered(turns, "b3", cell="b", run="third")
    assert prompts(turns) == ["a", "b3", "c", "d"]


def test_two_questions_at_once_do_not_mix() -> None:
    turns = four()
    one = turns.begin("one", cell="x", run="x")
    two = turns.begin("two", cell="y", run="y")
    one.take(Text("1"))
    two.take(Text("2"))
    turns.end(two, "complete")
    turns.end(one, "complete")
    assert asked(one)[-2:] == ["d", "one"] and asked(two)[-2:] == ["d", "two"]
    assert [turn.reply for turn in turns][-2:] == ["1", "2"]
    assert turns.stale() == {two.id}


def test_a_deleted_cell_leaves_the_context_and_comes_back_to_its_place() -> None:
    turns = four()
    turns.remove_cells({"b"})
    assert asked(turns.begin("e")) == ["a", "c", "d", "e"]
    answered(turns, "b", cell="b", run="back")
    assert prompts(turns)[:4] == ["a", "b", "c", "d"]


def test_a_reset_belongs_to_its_cell_and_run_all_leads_to_the_same_conversation() -> None:
    turns = Turns()

    def run_all(time: int) -> list[list[str]]:
        answered(turns, "a", cell="a", run=f"a{time}")
        turns.reset(cell="r", run=f"r{time}")
        return [asked(answered(turns, name, cell=name, run=f"{name}{time}")) for name in "bcd"]

    assert run_all(1) == [["b"], ["b", "c"], ["b", "c", "d"]]
    once = prompts(turns)
    assert run_all(2) == [["b"], ["b", "c"], ["b", "c", "d"]]
    assert prompts(turns) == once == ["b", "c", "d"]


def test_a_reset_run_again_forgets_what_came_after_it_too() -> None:
    turns = Turns()
    turns.reset(cell="r", run="1")
    answered(turns, "a", cell="a", run="2")
    assert turns.reset(cell="r", run="3") == 1
    assert len(turns) == 0 and turns.every_turn()


def test_what_is_run_again_after_a_reset_is_back_wherever_it_stands() -> None:
    turns = four()
    turns.reset(cell="r", run="1")
    answered(turns, "b2", cell="b", run="2")
    assert prompts(turns) == ["b2"] and asked(answered(turns, "e")) == ["b2", "e"]


def test_an_undo_belongs_to_its_cell_and_run_again_takes_the_same_back() -> None:
    turns = four()
    assert [turn.prompt for turn in turns.undo(2, cell="u", run="1")] == ["c", "d"]
    answered(turns, "e", cell="e", run="2")
    turns.undo(2, cell="u", run="3")
    assert prompts(turns) == ["a", "b", "e"]


def test_a_question_taken_back_and_asked_anew_counts_again() -> None:
    turns = four()
    turns.undo(cell="u", run="1")
    assert asked(answered(turns, "better", cell="d", run="2")) == ["a", "b", "c", "better"]
    assert prompts(turns) == ["a", "b", "c", "better"]


def test_a_dropped_turn_is_out_and_the_same_drop_again_drops_the_same() -> None:
    turns = four()
    assert turns.drop(2, cell="x", run="1").prompt == "b"
    assert prompts(turns) == ["a", "c", "d"]
    assert turns.drop(2, cell="x", run="2").prompt == "b"
    for number in (0, 5):
        with pytest.raises(ValueError, match="has 4"):
            turns.drop(number, cell="x", run="3")


def test_a_deleted_cells_command_stays_done() -> None:
    turns = four()
    turns.drop(2, cell="x", run="1")
    turns.remove_cells({"x"})
    assert prompts(turns) == ["a", "c", "d"]


def test_the_notebooks_order_is_taken_and_what_it_lacks_stays_behind_its_neighbour() -> None:
    turns = four()
    answered(turns, "no cell")
    turns.arrange(["d", "x", "b", "a"])
    assert prompts(turns) == ["d", "no cell", "b", "c", "a"]


def test_a_system_prompt_holds_from_its_cell_on_and_run_all_sends_the_same() -> None:
    turns = Turns("first")

    def run_all(time: int) -> list[str]:
        before = answered(turns, "a", cell="a", run=f"a{time}")
        turns.set_system("second", cell="s", run=f"s{time}")
        return [before.system, answered(turns, "b", cell="b", run=f"b{time}").system]

    assert run_all(1) == run_all(2) == ["first", "second"] and turns.system == "second"
    turns.system = "third"
    assert turns.begin("c").system == "third" and run_all(3) == ["first", "second"]
    turns.remove_cells({"s"})
    assert turns.begin("d", cell="b", run="again").system == "second"
    assert turns[:1].system == turns.fork().system == "third"


def test_what_does_not_fit_the_budget_is_left_out_oldest_first() -> None:
    turns = four()
    turns.system = "be brief"
    turns.context_limit = 10
    turns.measure = lambda text: 0 if text == "be brief" else 1
    turn = turns.begin("e")
    assert turn.left_out == 4 and [m["role"] for m in turn.asked] == ["system", "user"]
    turns.context_limit = 30
    turn = turns.begin("f")
    assert asked(turn) == ["c", "d", "f"] and turn.left_out == 2


def test_slices_and_forks_go_their_own_way() -> None:
    turns = four()
    part, copy = turns[1:3], turns.fork()
    answered(part, "on")
    answered(copy, "other", cell="a", run="x")
    assert prompts(part) == ["b", "c", "on"] and asked(part[-1]) == ["b", "c", "on"]
    assert prompts(copy) == ["other", "b", "c", "d"]
    assert prompts(turns) == ["a", "b", "c", "d"]


def test_a_message_list_handed_out_can_be_changed_without_harm() -> None:
    turns = four()
    turns.messages[0]["content"] = "changed"
    turns[1].asked[0]["content"] = "changed"
    turns[0].messages[0]["content"] = "changed"
    assert turns.messages[0]["content"] == "a" and asked(turns.begin("e"))[0] == "a"


def test_what_is_imported_with_the_system_prompt_that_holds_is_not_sent_twice() -> None:
    turns = Turns("be brief")
    answered(turns, "a", cell="a", run="1")
    messages = turns.messages
    turns.reset(cell="r", run="2")
    assert len(turns.add_messages(messages, cell="i", run="3")) == 1
    assert turns.messages == messages and [turn.prompt for turn in turns] == ["a"]


def test_another_system_prompt_that_is_imported_holds_from_there_on() -> None:
    turns = Turns("be brief")
    answered(turns, "a", cell="a", run="1")
    system = {"role": "system", "content": "be long"}
    said = turns.add_messages([system, {"role": "user", "content": "b"}, {"role": "assistant", "content": "B"}])
    assert len(said) == 1 and turns.system == "be long"
    assert [message["role"] for message in turns.messages] == ["system", "user", "assistant", "user", "assistant"]
    assert turns.begin("c", cell="a", run="2").system == "be brief"


def test_imported_turns_keep_their_model_and_how_they_ended() -> None:
    there, here = Turns(), Turns()
    turn = there.begin("question", model="m")
    turn.take(Text("half"))
    there.end(turn, "stopped")
    (taken,) = here.add_turns(there, cell="i", run="1")
    assert (taken.model, taken.finish, taken.reply) == ("m", "stopped", "half") and here.partial() is taken


def test_what_a_check_found_stays_with_its_turn_and_what_is_no_record_of_one_is_left_out() -> None:
    turns = four()
    found = {"check": "f(2) == 4", "code": "f = 1", "verdict": "failed", "said": "no", "seconds": 0.5}
    turns[1].check = {**found, "more": [1]}
    turns[2].check = {"verdict": ["passed"]}
    other = Turns()
    assert other.read(json.loads(json.dumps(turns.record()))) == []
    assert [dict(turn.check) for turn in other] == [{}, found, {}, {}]


def test_broken_records_are_left_out_and_said() -> None:
    record = four().record()
    record["events"][1]["finish"] = "nonsense"
    record["events"][2]["chain"] = 7
    record["places"].append("no place")
    del record["places"][3]["number"]
    turns = Turns()
    problems = turns.read(record)
    assert len(problems) == 2 and prompts(turns) == ["a", "c", "d"]


def test_what_a_turn_was_asked_on_is_recorded_also_where_its_neighbour_was_asked_on_something_else() -> None:
    turns = four()
    answered(turns, "b2", cell="b", run="second")
    last = answered(turns, "e", cell="e", run="e")
    other = Turns()
    assert other.read(json.loads(json.dumps(turns.record()))) == []
    assert [turn.chain for turn in other] == [turn.chain for turn in turns]
    assert other[-1].chain == last.chain and other[-1].asked == last.asked


def test_what_another_copy_has_asked_since_is_in_force_and_nothing_is_lost() -> None:
    turns = four()
    other = turns.fork()
    answered(other, "b there", cell="b", run="there")
    answered(other, "e there", cell="e", run="there")
    answered(turns, "c here", cell="c", run="here")
    turns.read(other.record())
    assert prompts(turns) == ["a", "b there", "c here", "d", "e there"]
    assert [len(place.versions) for place in turns.places] == [1, 2, 2, 1, 1]


def test_a_question_costs_the_same_however_long_the_conversation_is() -> None:
    turns, digests = Turns(), Digests()

    def cost(number: int) -> float:
        with measured() as seconds:
            turn = turns.begin(f"question {number}", cell=f"cell {number}", run=f"run {number}")
            digests.of(turn, "m")
            turn.take(Text("answer"))
            turns.end(turn, "complete")
        return seconds[0]

    spent = [cost(number) for number in range(4000)]
    assert sum(spent[3000:]) < 3 * sum(spent[500:1500]) + 0.05
    assert len(turns) == 4000 and turns[-1].left_out == 0 and len(turns[-1].chain) == 3999


def test_turns_share_what_they_were_asked_on() -> None:
    turns = four()
    assert turns[3].before is turns[2].link and turns[2].link.previous is turns[1].link
    again = Turns()
    again.read(json.loads(json.dumps(turns.record())))
    assert again[3].before is again[2].link and again[2].link.previous is again[1].link


CELLS = st.one_of(st.none(), st.sampled_from("abcdef"))
ROLES = st.sampled_from(["user", "assistant", "system", "user", "assistant"])
MESSAGES = st.lists(
    st.builds(lambda role, text: {"role": role, "content": text}, ROLES, st.text(max_size=5)), max_size=5
)


class AnyDoings(RuleBasedStateMachine):
    """What a person can do, in any order; the model of what has to come out is kept beside it."""

    @initialize()
    def begin(self) -> None:
        self.turns = Turns()
        self.runs = 0
        self.made: dict[str, tuple[str, str]] = {}
        self.frozen: dict[str, object] = {}
        self.running: list[Turn] = []
        self.digests = Digests()

    def run_of(self, same: bool) -> str:
        self.runs += not same
        return f"run {self.runs}"

    def expected_context(self, turn: Turn) -> list[str]:
        """What stands before `turn`, by going through the places one by one."""
        place = self.turns.place_of(turn)
        before = self.turns.places[: self.turns.places.index(place) + 1]
        out = removed(self.turns.places)
        found = [one for place in before for one in active_turns(place, out)]
        return [one.id for one in found if one is not turn and one.context_messages]

    @rule(
        cell=CELLS,
        prompt=st.text(max_size=3),
        reply=st.text(max_size=3),
        same=st.booleans(),
        model=st.sampled_from(["", "m", "other"]),
        question=st.sampled_from([(), (TextPart("See "), ImagePart("data:image/png;base64,AAAA"))]),
    )
    def ask(
        self, cell: str | None, prompt: str, reply: str, same: bool, model: str, question: tuple[Part, ...]
    ) -> None:
        turn = self.turns.begin(prompt, cell=cell, run=self.run_of(same), model=model, question=question)
        assert list(turn.chain) == self.expected_context(turn)
        assert turn.asked[-1]["content"] == (content_of(question) if question else prompt)
        self.frozen[turn.id] = (turn.chain, [dict(message) for message in turn.asked])
        assert self.digests.of(turn, "m") == digest(turn.asked, "m", turn.options)
        turn.take(Text(reply))
        self.turns.end(turn, "complete" if reply else "failed")
        self.made[turn.id] = (prompt, reply)
        assert any(turn is one for one in self.turns)
        if same:
            return
        own = [one for one in self.turns if cell is not None and one.cell == cell]
        assert own in ([], [turn])

    @rule(cell=CELLS, prompt=st.text(max_size=3))
    def begin_to_ask(self, cell: str | None, prompt: str) -> None:
        self.running.append(self.turns.begin(prompt, cell=cell, run=self.run_of(same=False)))

    @precondition(lambda self: self.running)
    @rule(reply=st.text(max_size=3))
    def end_one(self, reply: str) -> None:
        turn = self.running.pop()
        self.frozen[turn.id] = (turn.chain, turn.asked)
        turn.take(Text(reply))
        self.turns.end(turn, "stopped")
        self.made[turn.id] = (turn.prompt, reply)

    @rule(cell=CELLS, same=st.booleans())
    def reset(self, cell: str | None, same: bool) -> None:
        self.turns.reset(cell=cell, run=self.run_of(same))
        assert list(self.turns) == []

    @rule(cell=CELLS, text=st.sampled_from(["", "x", "y"]))
    def set_system(self, cell: str | None, text: str) -> None:
        self.turns.set_system(text, cell=cell, run=self.run_of(same=False))
        assert self.turns.system_for(cell) == text

    @rule(text=st.sampled_from(["", "x", "y"]))
    def set_system_from_code(self, text: str) -> None:
        self.turns.system = text
        assert self.turns.system == text

    @rule(cell=CELLS, count=st.integers(1, 3), same=st.booleans())
    def undo(self, cell: str | None, count: int, same: bool) -> None:
        gone = self.turns.undo(count, cell=cell, run=self.run_of(same))
        assert len(gone) <= count and not any(turn in gone for turn in self.turns)

    @precondition(lambda self: len(self.turns))
    @rule(cell=CELLS, data=st.data())
    def drop(self, cell: str | None, data: st.DataObject) -> None:
        number = data.draw(st.integers(1, len(self.turns)))
        before = self.turns.record()
        try:
            gone = self.turns.drop(number, cell=cell, run=self.run_of(same=False))
        except ValueError:  # its own cell had the last of them
            assert self.turns.record() == before
            return
        assert gone not in list(self.turns)

    @rule(cells=st.sets(st.sampled_from("abcdef"), max_size=2))
    def delete_cells(self, cells: set[str]) -> None:
        self.turns.remove_cells(cells)
        assert not [turn for turn in self.turns if turn.cell in cells and turn.given is None]

    @rule(cells=st.permutations("abcdef").map(lambda cells: cells[:4]))
    def take_the_notebooks_order(self, cells: list[str]) -> None:
        self.turns.arrange(cells)
        order = [place.cell for place in self.turns.places if place.cell in cells]
        assert order == [cell for cell in cells if cell in order]

    @rule(data=st.data())
    def go_back_to_a_version(self, data: st.DataObject) -> None:
        if self.turns.places:
            place = data.draw(st.sampled_from(self.turns.places))
            self.turns.make_current(place, data.draw(st.sampled_from(place.versions)))

    @rule(messages=MESSAGES, cell=CELLS)
    def import_messages(self, messages: list[dict[str, str]], cell: str | None) -> None:
        alone = Turns()
        alone.add_messages(messages)
        assert alone.messages == messages
        for turn in self.turns.add_messages(messages, cell=cell, run=self.run_of(same=False)):
            self.made[turn.id] = (turn.prompt, turn.reply)

    @rule()
    def fork(self) -> None:
        fork = self.turns.fork()
        before = self.turns.messages
        fork.begin("only there").take(Text("x"))
        fork.reset()
        assert self.turns.messages == before
        self.turns = self.turns.fork() if not self.running else self.turns

    @rule()
    def export_then_import(self) -> None:
        record = json.loads(json.dumps(self.turns.record()))
        other = Turns()
        assert other.read(record) == []
        assert other.messages == self.turns.messages
        if not self.running:
            assert other.record() == record
            assert other.stale() == self.turns.stale()
            assert other.read(record) == [] and other.record() == record

    @rule(suffix=st.sampled_from([".json", ".jsonl", "saved", "conversation"]))
    def export_then_import_elsewhere(self, suffix: str) -> None:
        """What is exported and taken in again is the same, and so is what is sent with the next question."""
        other = Turns()
        if suffix == "saved":
            assert other.read(json.loads(json.dumps(self.turns.record()))) == []
            if self.running:
                return
        elif suffix == "conversation":
            other.add_turns(self.turns, cell="import", run="import")
            said = [turn for turn in self.turns if turn.context_messages]
            assert [(turn.model, turn.finish, turn.parts) for turn in other] == [
                (turn.model, turn.finish, turn.parts) for turn in said
            ]
        else:
            messages = self.turns.messages
            text = export.exported(self.turns, messages, suffix)
            content = export.contents(text, suffix) if messages else []
            assert isinstance(content, list)
            other.add_messages(content, cell="import", run="import")
        assert other.messages == self.turns.messages
        assert other.begin("next").asked == self.turns.fork().begin("next").asked
        if suffix != "saved":  # once more, into the same cell: not twice
            fork = self.turns.fork()
            before = fork.messages
            fork.reset(cell="reset", run="reset")
            fork.add_turns(self.turns, cell="import", run="import")
            assert fork.messages == before

    @invariant()
    def no_turn_is_lost_and_ids_are_unique(self) -> None:
        found = [turn for place in self.turns.places for version in place.versions for turn in version.turns]
        assert len({turn.id for turn in found}) == len(found)
        kept = {turn.id: (turn.prompt, turn.reply) for turn in found}
        assert self.made.items() <= kept.items()
        assert {turn.id for turn in self.turns.every_turn()} == kept.keys()

    @invariant()
    def what_a_turn_was_asked_on_is_never_rewritten(self) -> None:
        for id_, told in self.frozen.items():
            turn = self.turns.find(id_)
            assert turn is not None
            assert (turn.chain, [dict(message) for message in turn.asked]) == told

    @invariant()
    def places_are_in_order(self) -> None:
        numbers = [place.number for place in self.turns.places]
        assert numbers == sorted(numbers) and len(set(numbers)) == len(numbers)


AnyDoings.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestAnyDoings = AnyDoings.TestCase
