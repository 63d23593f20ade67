"""`cell`: a recurrent layer of your own, written as its equation. See docs/own-cells.md."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, make_dataclass
from typing import Any, ClassVar

import numpy as np

from streamrnn.errors import ModelError
from streamrnn.layers.equation import check_equation, check_values, digest, test_vector
from streamrnn.layers.layer import KINDS, Tensor, absent
from streamrnn.layers.recipe_layer import Parameters, Recurrent, by_sum
from streamrnn.recipe import OWN, Pass, Recipe, X

#: A pass before the last one: its cell, the names of what it returns, and which sums each vector feeds.
PassDeclaration = tuple[Callable[..., Any], Sequence[str], Mapping[str, str]]

_CLOSE = 1e-9  # relative tolerance: another libm may round differently


class OwnCell(Recurrent):
    """A layer of a kind that `cell` has defined.

    With I inputs and H units, and the sums in the order in which `passes` and then `sums` name them:

    input_weights      (sums that "x" feeds, H, I)
    recurrent_weights  (sums that the other vector feeds, H, H); with several such vectors, <vector>_weights for each
    bias               (sums, H), in the order in which they are first fed; None: zeros
    <name>             (H,), for each name of `per_unit`
    initial_<state>    (H,), for each state; None: zeros
    dtype              "float32" or "float64": compute precision
    stored             type of the weights in memory and archives: "bfloat16", "float16" or "int8"; None: dtype

    Raises ModelError, naming the tensor, for anything that does not fit.
    """

    input_weights: Tensor
    bias: Tensor
    version: int
    declaration: str

    equation: ClassVar[Callable[..., Any]]
    own_recipe: ClassVar[Recipe]
    own_path: ClassVar[str]
    own_version: ClassVar[int]
    own_declaration: ClassVar[str]

    def __post_init__(self) -> None:
        fed = _fed(self.own_recipe)
        if (self.version, self.declaration) != (self.own_version, self.own_declaration):
            raise ModelError(
                f"{self.kind} layer: it is version {self.version} of its cell, but here version {self.own_version} is defined, "
                "or another declaration of it; define the cell as it was when the model was made"
            )
        _, hidden, _ = self._freeze_weights("input_weights", (len(fed[X]), None, None)).shape
        for vector, sums in fed.items():
            if vector != X:
                self._freeze_weights(_weights_of(self.own_recipe, vector), (len(sums), hidden, hidden))
        self._freeze("bias", (_n_sums(self.own_recipe), hidden), or_zeros=True)
        for name in self.own_recipe.per_unit:
            self._freeze(name, (hidden,))
        for state in self.own_recipe.states:
            self._freeze(f"initial_{state}", (hidden,), or_zeros=True)

    @property
    def cell(self) -> str:
        return self.kind

    @property
    def recipe(self) -> Recipe:
        return self.own_recipe

    @property
    def recipe_path(self) -> str:
        return self.own_path

    @property
    def states(self) -> Mapping[str, Tensor]:
        return {state: getattr(self, f"initial_{state}") for state in self.own_recipe.states}

    def parameters(self) -> Parameters:
        recipe, weights = self.own_recipe, dict[tuple[str, str], Any]()
        for vector, sums in _fed(recipe).items():
            weights |= by_sum(vector, " ".join(sums), getattr(self, _weights_of(recipe, vector)))
        names = [name for one in recipe.passes for name in one.sums]
        biases = dict(zip(names, self.bias, strict=True))
        return Parameters(weights, biases, per_unit={name: getattr(self, name) for name in recipe.per_unit})

    def test_vector(self) -> list[float] | None:
        return test_vector(self.own_recipe)

    @classmethod
    def check_test_vector(cls, values: object) -> None:
        expected = test_vector(cls.own_recipe)
        fits = isinstance(values, list) and len(values) == len(expected)
        if not fits or not np.allclose(np.array(values, float), expected, rtol=_CLOSE, atol=_CLOSE):
            raise ModelError(
                f"the cell {cls.kind!r}, version {cls.own_version}, computes other values here than where the archive was "
                "written; define the cell as it was then, and give a changed equation a new version"
            )


def cell(
    kind: str,
    *,
    version: int,
    states: Sequence[str],
    sums: Mapping[str, str],
    passes: Sequence[PassDeclaration] = (),
    per_unit: Sequence[str] = (),
) -> Callable[[Callable[..., Any]], type[OwnCell]]:
    """A decorator that turns an equation into a kind of layer.

    The parameters of the function have the names of sums and vectors. It returns the new states in the order of `states`; the
    first is the layer's output. A sum is a bias plus weights times each vector that feeds it, added in the order of `sums`.
    The function is written with arithmetic and the functions of `streamrnn.functions`. It can call plain functions that are
    written in the same way, and use numbers that are defined around it.

        @streamrnn.cell("li_gru", version=1, states=["h"], sums={"x": "z n", "h": "z n"})
        def li_gru(z, n, h):
            z = sigmoid(z)
            return (1 - z) * relu(n) + z * h

        layer = li_gru(input_weights=W, recurrent_weights=R, bias=b)  # (2, H, I), (2, H, H), (2, H)

    kind      name of the kind, also in archives
    version   version of the equation; raise it with every change, since models are bound to it
    states    names of the state vectors, (H,) each
    sums      vector -> names of the sums that it feeds, in the order of adding. A vector is "x" (the inputs), a state as it was
              before the step, or what an earlier pass returned
    passes    passes before that of the function: each (function, names of what it returns, its `sums`)
    per_unit  names of vectors of parameters with a number for each unit, (H,) each
    returns   the class of the layers, see `OwnCell`

    Raises ModelError where a name is unknown or unused, or where the equation cannot be compiled.
    """

    def decorate(function: Callable[..., Any]) -> type[OwnCell]:
        if not isinstance(kind, str) or not kind.isidentifier():
            raise ModelError(f"cell: {kind!r} is not a name; use letters, digits and underscores")
        if isinstance(version, bool) or not isinstance(version, int) or version < 1:
            raise ModelError(f"cell {kind!r}: version {version!r} is not a whole number from 1 on")
        if (known := KINDS.get(kind)) is not None and not issubclass(known, OwnCell):
            raise ModelError(f"cell {kind!r}: there is a layer of that name already; choose another name")
        declared = [*passes, (function, tuple(states), sums)]
        try:
            made = tuple(Pass(one, tuple(gives), dict(feeds), flushed=True) for one, gives, feeds in declared)
            recipe = Recipe(tuple(states), made, output=states[0], per_unit=tuple(per_unit))
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise ModelError(f"cell {kind!r}: {error}") from None
        if not _fed(recipe)[X]:
            raise ModelError(f"cell {kind!r}: {X!r}, the inputs, feeds no sum; name the sums that it feeds")
        for one in made:
            check_equation(kind, one.cell)
        check_values(kind, recipe)
        return _layer_class(kind, version, recipe, function)

    return decorate


def _layer_class(kind: str, version: int, recipe: Recipe, function: Callable[..., Any]) -> type[OwnCell]:
    """The class of the layers, a dataclass of their arrays. Registers the recipe by its path, and the class by its kind."""
    whole = hashlib.sha256(b"".join(digest(one.cell) for one in recipe.passes)).hexdigest()[:16]
    path = f"own.{kind}.{version}.{whole}"
    declaration = _declaration(recipe)
    tensors: list[tuple[str, Any]] = [(_weights_of(recipe, vector), Tensor) for vector in _fed(recipe)]
    tensors += [(name, Tensor) for name in recipe.per_unit]
    zeros = ["bias", *(f"initial_{state}" for state in recipe.states)]
    fields: list[Any] = [*tensors, *((name, Tensor, field(default_factory=absent)) for name in zeros)]
    fields += [
        ("dtype", str, "float32"),
        ("version", int, version),
        ("declaration", str, declaration),
        ("stored", str | None, None),
    ]
    namespace = {
        "kind": kind,
        "equation": staticmethod(function),
        "own_recipe": recipe,
        "own_path": path,
        "own_version": version,
        "own_declaration": declaration,
        "__doc__": function.__doc__,
        "__module__": function.__module__,
    }
    made: type[OwnCell] = make_dataclass(
        function.__name__, fields, bases=(OwnCell,), namespace=namespace, frozen=True, eq=False, kw_only=False
    )
    OWN[path], KINDS[kind] = recipe, made
    return made


def _fed(recipe: Recipe) -> dict[str, list[str]]:
    """The sums that each vector feeds, over all passes."""
    fed: dict[str, list[str]] = {X: []}
    for one in recipe.passes:
        for section in one.sections:
            fed.setdefault(section.vector, []).extend(section.sums)
    return fed


def _n_sums(recipe: Recipe) -> int:
    return sum(len(one.sums) for one in recipe.passes)


def _weights_of(recipe: Recipe, vector: str) -> str:
    """The name of the field with the weights of a vector."""
    if vector == X:
        return "input_weights"
    return "recurrent_weights" if len(_fed(recipe)) == 2 else f"{vector}_weights"


def _declaration(recipe: Recipe) -> str:
    """A recipe without its functions, as text: part of the fingerprint of a model."""
    passes = [[list(one.writes), list(map(list, one.feeds.items())), list(one.parameters)] for one in recipe.passes]
    return json.dumps({"states": recipe.states, "passes": passes, "per_unit": recipe.per_unit})
