"""What the SDK promises, in plain Python: python3 -m unittest discover -s tests, in sdk/python."""

import sys
import unittest
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tombolo import AlreadyExists, Comparison, Edit, EditKind, Entry, Filter, Instant, Invalid, page, state, testing
from tombolo.schema import Description, boolean, decimal, group, instant, integer, text, user

KIND = user(
    text("login", required=True, unique=True),
    text("code", case_exact=True),
    text("mail", multi=True),
    boolean("active"),
    integer("room"),
    decimal("pay"),
    instant("since"),
)
ANA = Entry.of("1", {
    "login": "Ána@X", "code": "aB", "mail": ["a@x", "b@x"], "active": True, "room": 42,
    "since": Instant("2026-01-01T00:00:00.500Z"), "name": {"given": "Ana", "family": "Ruiz"},
})


def passes(name, comparison, value):
    return Filter.test(name, comparison, value).matches(KIND, ANA)


class Filters(unittest.TestCase):
    def test_case_counts_only_where_the_kind_says_so(self):
        self.assertTrue(passes("login", Comparison.EQUAL, "áNA@x"))
        self.assertTrue(passes("code", Comparison.EQUAL, "aB"))
        self.assertFalse(passes("code", Comparison.EQUAL, "ab"))

    def test_not_equal_is_the_negation_of_equal(self):
        self.assertFalse(passes("mail", Comparison.NOT_EQUAL, "b@x"))
        self.assertTrue(passes("nothing", Comparison.NOT_EQUAL, "c"))

    def test_types_never_mix_and_numbers_compare_by_what_they_mean(self):
        self.assertFalse(passes("active", Comparison.EQUAL, 1))
        self.assertFalse(passes("room", Comparison.EQUAL, "42"))
        self.assertTrue(passes("room", Comparison.EQUAL, Decimal("042.0")))
        self.assertTrue(passes("since", Comparison.EQUAL, Instant("2026-01-01T00:00:00.5Z")))
        self.assertTrue(passes("since", Comparison.GREATER, Instant("2026-01-01T00:00:00Z")))

    def test_a_flat_list_becomes_a_tree_and_a_shared_node_is_refused(self):
        nodes = [("present", "login"), ("negate", 0), ("present", "mail"), ("any", [1, 2])]
        self.assertTrue(Filter.read(nodes).matches(KIND, ANA))
        for bad in ([], [("negate", 0)], [("present", "login"), ("all", [0, 0])]):
            self.assertRaises(Invalid, Filter.read, bad)

    def test_an_element_filter_speaks_of_one_value_s_parts(self):
        def element(given):
            return Filter.read([("test", ("given", Comparison.EQUAL, given)), ("element", ("name", 0))])

        self.assertTrue(element("ana").matches(KIND, ANA))
        self.assertFalse(element("bo").matches(KIND, ANA))

    def test_a_lookup_is_seen(self):
        self.assertEqual(Filter.test("login", Comparison.EQUAL, "a").equality(), ("login", "a"))
        self.assertIsNone(Filter.test("login", Comparison.CONTAINS, "a").equality())


class Entries(unittest.TestCase):
    def test_edits_apply_in_order_and_an_empty_attribute_is_absent(self):
        entry = Entry.of("1", {"mail": "a@x", "title": "Lead", "active": True})
        entry.apply([
            Edit(EditKind.ADD, "mail", ["b@x", "a@x"]),
            Edit(EditKind.REMOVE, "mail", ["a@x"]),
            Edit(EditKind.PUT, "title", []),
            Edit(EditKind.REMOVE, "active", [1]),
        ])
        self.assertEqual(entry.attributes, {"mail": ["b@x"], "active": [True]})

    def test_a_kind_checks_an_entry_and_blames_the_attribute(self):
        KIND.check(Entry.of("1", {"login": "ana", "pay": 1}))
        for bad, blamed in [
            ({}, "login"),
            ({"login": "ana", "shoe": 42}, "shoe"),
            ({"login": ["a", "b"]}, "login"),
            ({"login": "ana", "room": True}, "room"),
        ]:
            with self.assertRaises(Invalid) as caught:
                KIND.check(Entry.of("1", bad))
            self.assertEqual(caught.exception.attribute, blamed)

    def test_the_description_leaves_out_what_is_at_its_default(self):
        said = Description("d", "1", KIND, group(text("label"))).to_json()
        self.assertIn('{"name": "login", "type": "text", "required": true, "unique": true}', said)
        self.assertIn('"caseExact": true', said)

    def test_pages_end_and_leave_nothing_out(self):
        self.assertEqual(page("abc", str, None, 2), (["a", "b"], "b"))
        self.assertEqual(page("abc", str, "b", 2), (["c"], None))


class Template(unittest.TestCase):
    """The template works without a host: so can an author test a connector."""

    def setUp(self):
        template = Path(__file__).parents[3] / "host/author/templates/python/connector.py"
        names = {"__name__": "connector"}
        exec(compile(template.read_text(), template, "exec"), names)
        testing.reset()
        self.people = names["People"]()

    def test_a_repeated_create_makes_one_object_and_a_taken_name_is_refused(self):
        made = self.people.create("user", Entry.of("", {"login": "Ana"}), "r1")
        self.assertEqual(self.people.create("user", Entry.of("", {"login": "Ana"}), "r1"), made)
        with self.assertRaises(AlreadyExists) as caught:
            self.people.create("user", Entry.of("", {"login": "ANA"}), "r2")
        self.assertEqual(caught.exception.attribute, "login")
        self.people.delete("user", "r1", "r3")
        self.assertEqual(list(state.all_keys("")), [])


if __name__ == "__main__":
    unittest.main()
