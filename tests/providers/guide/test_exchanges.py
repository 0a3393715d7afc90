"""What came with a question is understood and reported as it was sent."""

from berlin_magic.providers.guide.exchanges import Exchange, excerpt, question_and_context, report, summary

TALK = [
    {"role": "system", "content": "Answer in verse."},
    {"role": "user", "content": "What is a monad?"},
    {"role": "assistant", "content": "A burrito, some say."},
    {"role": "user", "content": "Who says so?"},
    {"role": "assistant", "content": "Those who have understood it."},
    {"role": "user", "content": "What did I ask before?"},
]


def test_the_last_question_is_told_from_what_came_before_it():
    question, context = question_and_context(TALK)
    assert question == "What did I ask before?"
    assert context.system == ("Answer in verse.",)
    assert context.messages == 4
    assert context.earlier[0] == Exchange("What is a monad?", "A burrito, some say.")


def test_a_question_that_was_never_answered_is_an_exchange_without_answer():
    _, context = question_and_context([{"role": "user", "content": "one"}, {"role": "user", "content": "two"}])
    assert context.earlier == (Exchange("one", ""),)


def test_messages_without_a_question_are_understood_as_none_asked():
    question, context = question_and_context([{"role": "assistant", "content": "Hello."}])
    assert (question, context.earlier) == ("", ())


def test_the_report_leads_with_the_question_that_was_asked_about():
    question, context = question_and_context(TALK)
    assert report(question, context).startswith("Your previous question was `Who says so?`.")
    assert report("What was my first question?", context).startswith("Your first question was `What is a monad?`.")
    assert report("What context were you sent?", context).startswith("4 earlier messages came with this question.")


def test_the_report_quotes_questions_answers_and_the_system_prompt():
    said = report("What context were you sent?", question_and_context(TALK)[1])
    for text in ("Answer in verse.", "What is a monad?", "A burrito, some say.", "Who says so?"):
        assert text in said


def test_the_report_of_a_lone_question_says_that_nothing_came_before():
    said = report("What is the system prompt?", question_and_context([{"role": "user", "content": "x"}])[1])
    assert "No system prompt was sent." in said
    assert "No earlier message" in said


def test_a_long_conversation_is_reported_with_its_first_and_its_newest_questions():
    talk = [{"role": "user", "content": f"question {number}"} for number in range(1, 41)]
    said = report("What context were you sent?", question_and_context(talk)[1])
    assert "`question 1`" in said
    assert "`question 39`" in said
    assert "`question 20`" not in said
    assert "27 more" in said


def test_the_summary_counts_the_messages_and_names_the_first():
    said = summary(question_and_context(TALK)[1])
    assert "4 earlier messages" in said
    assert "`What is a monad?`" in said
    assert "system prompt" in said
    assert summary(question_and_context(TALK[-1:])[1]) == "no earlier message"


def test_an_excerpt_is_one_line_of_code_that_cannot_be_left():
    assert excerpt("a `b` ``c``\n<script>") == "```a `b` ``c`` <script>```"
    assert excerpt("`x`") == "`` `x` ``"
    assert excerpt("word " * 100, 20) == "`word word word word …`"
