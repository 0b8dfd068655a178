import re
from typing import ClassVar, Literal

import pytest
from pydantic import model_validator

from nst_lib.base.validation import Model, hint, setting


class MealError(ValueError):
    pass


class Meal(Model):
    Error: ClassVar[type[ValueError]] = MealError

    dish: Literal["soup", "pie"] = setting("soup", "what is served")
    guests: int = setting(2, "people at the table", ge=1, le=16)
    price: float | None = setting(None, "in euros", ge=0)
    extras: tuple[Literal["salt", "bread"], ...] = setting((), "beside the dish")
    names: tuple[str, ...] = setting((), "of the guests", words="names of guests")
    drink: str = setting("tea", "what is drunk", choices=("tea", "milk"))
    warm: bool = setting(True, "whether it is warm")

    @model_validator(mode="after")
    def _bread(self) -> "Meal":
        if self.dish == "pie" and "bread" in self.extras:
            raise ValueError("extras='bread' with a pie: leave the bread out")
        return self


def test_values_are_read_as_json_and_yaml_write_them():
    meal = Meal(guests=1e1, price=3, extras=["salt"], names="Ann")
    assert (meal.guests, type(meal.guests)) == (10, int)
    assert (meal.price, type(meal.price)) == (3.0, float)
    assert (meal.extras, meal.names) == (("salt",), ("Ann",))
    assert Meal(names="").names == ()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dish": "stew"}, "dish='stew'; accepted: a word [soup | pie]"),
        ({"guests": 0}, "guests=0; accepted: a whole number [1 to 16]"),
        ({"guests": 1.5}, "guests=1.5; accepted: a whole number [1 to 16]"),
        ({"guests": True}, "guests=True; accepted: a whole number"),
        ({"guests": "2"}, "guests='2'; accepted: a whole number"),
        ({"price": float("nan")}, "price=nan; accepted: a number or null [0 or more]"),
        ({"price": True}, "price=True; accepted: a number or null"),
        ({"extras": ["salt", "jam"]}, "extras=['salt', 'jam']; accepted: words [salt | bread]"),
        ({"names": [1]}, "names=[1]; accepted: names of guests"),
        ({"drink": "rum"}, "drink='rum'; accepted: a word [tea | milk]"),
        ({"warm": 1}, "warm=1; accepted: true or false"),
        ({"guest": 1}, "unknown setting 'guest'; did you mean guests?"),
        ({"qqq": 1}, "unknown setting 'qqq'; accepted: dish, guests, price"),
        ({"dish": "pie", "extras": "bread"}, "extras='bread' with a pie: leave the bread out"),
    ],
)
def test_a_fault_is_one_line_of_the_model(values, message):
    with pytest.raises(MealError, match="^" + re.escape(message)):
        Meal(**values)
    with pytest.raises(MealError, match="^" + re.escape(message)):
        Meal().replace(**values)


def test_of_a_long_value_the_item_is_shown():
    with pytest.raises(MealError, match=r"^names=5; accepted: names of guests"):
        Meal(names=["a guest with a long name"] * 4 + [5])


def test_frozen_equal_and_hashable():
    meal = Meal(guests=3)
    with pytest.raises(ValueError, match="frozen"):
        meal.guests = 4
    assert meal == Meal().replace(guests=3)
    assert len({meal, Meal(guests=3), Meal()}) == 2


def test_a_field_that_is_required():
    class Order(Model):
        table: int = setting(..., "number of the table", ge=1)

    with pytest.raises(ValueError, match=r"^table is missing; accepted: a whole number"):
        Order()


def test_describe():
    described = Meal.describe()
    assert described["guests"] == "people at the table [1 to 16]"
    assert described["dish"] == "what is served [soup | pie]"


def test_hint():
    assert hint("soop", ["soup", "pie"]) == "did you mean soup?"
    assert hint("x", ["soup", "pie"]) == "accepted: soup, pie"
