"""The documentation as sections: every fact under a heading, every heading once."""

import re

from berlin_magic.providers.guide.documentation import documentation, questions, sections

FILE = """# A topic

Words for the reader.

## First

Text of the first.

```python
## not a heading
```

## Second

Text of the second.
"""


def test_a_section_is_its_text_without_its_heading():
    first, second = sections("topic.md", FILE, {"First": ["one way", "another way"]})
    assert (first.source, first.topic, first.heading) == ("topic.md", "A topic", "First")
    assert first.text == "Text of the first.\n\n```python\n## not a heading\n```"
    assert second.text == "Text of the second."


def test_the_questions_that_lead_to_a_section_are_those_of_its_heading():
    first, second = sections("topic.md", FILE, {"First": ["one way", "another way"]})
    assert first.questions == ("one way", "another way")
    assert second.questions == ()


def test_every_question_leads_to_a_section_of_the_package():
    assert questions().keys() - {section.heading for section in documentation()} == set()


def test_every_section_of_the_package_has_text_and_questions_that_lead_to_it():
    assert len({section.source for section in documentation()}) >= 10
    for section in documentation():
        assert section.text, section.heading
        assert len(section.questions) >= 3, section.heading
        assert "<!--" not in section.text, section.heading


def test_no_two_sections_share_a_heading():
    headings = [section.heading for section in documentation()]
    assert len(headings) == len(set(headings))


def test_no_line_of_a_section_can_be_taken_for_a_role_label():
    for section in documentation():
        assert not re.search(r"^(System|Developer|User|Assistant|Tool):", section.text, re.MULTILINE)
