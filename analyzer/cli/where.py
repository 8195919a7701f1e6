"""Conditions on rows: a small part of Python's expressions over the declared columns of one table.

The expression is taken apart before pandas sees it. What is not on the lists below is refused, so a condition can
compare and call nothing else: no variables, no attributes, no functions of Python.
"""

import ast
import io
import re
import tokenize

import pandas as pd

from analyzer.tables.schema import TIME, Table
from parsers.errors import UsageError

__all__ = ["Condition"]

_NODES = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.Invert, ast.USub, ast.BinOp, ast.Add,
    ast.Sub, ast.Mult, ast.Div, ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn,
    ast.Name, ast.Load, ast.Constant, ast.List, ast.Tuple, ast.keyword,
)  # fmt: skip
_METHODS = ("isna", "notna", "between")
_STRING_METHODS = ("contains", "startswith", "endswith", "match", "fullmatch", "lower", "upper", "len")
_OPERATORS = {"&": " and ", "|": " or "}  # as pandas reads them
_PANDAS_ERRORS = (TypeError, ValueError, KeyError, AttributeError, NotImplementedError, re.error)


class Condition:
    """Chooses the rows of a table's frames for which an expression holds."""

    def __init__(self, expression: str, table: Table) -> None:
        """Check the expression.

        Raises:
            UsageError: it is not understood, or speaks of a column that the table has not.
        """
        self._expression = expression
        self._table = table
        try:
            tree = ast.parse(_with_words(expression), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
            raise self.error("it is no expression") from None
        self._check(tree.body)
        self._query = ast.unparse(_TimesRead(self).visit(tree))

    def choose(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows for which the condition holds; where it cannot be told because a value is NA, it does not.

        Raises:
            UsageError: the condition compares what cannot be compared, or is none.
        """
        try:
            holds = frame.eval(self._query, engine="python")
        except _PANDAS_ERRORS as error:
            raise self.error(str(error).partition("\n")[0]) from None
        if not isinstance(holds, pd.Series) or not pd.api.types.is_bool_dtype(holds.dtype):
            raise self.error("it is neither true nor false for a row")
        return frame[holds.fillna(value=False).astype(bool)]

    def is_time(self, node: ast.expr) -> bool:
        """Whether the expression is a column of times."""
        return isinstance(node, ast.Name) and self._table.column(node.id).dtype == TIME

    def time(self, text: str) -> str:
        """The time in full; without a zone it is UTC.

        Raises:
            UsageError: it is no time.
        """
        try:
            time = pd.Timestamp(text)
        except ValueError:
            raise self.error(f"{text!r} is no time such as 2026-11-20 09:55:58.95") from None
        return (time.tz_localize("UTC") if time.tz is None else time.tz_convert("UTC")).isoformat()

    def _check(self, node: ast.AST) -> None:
        if isinstance(node, ast.Call):
            self._check_call(node)
            return
        if not isinstance(node, _NODES):
            raise self.error(f"{ast.unparse(node)!r} is not allowed")
        if isinstance(node, ast.Name) and node.id not in self._table.names:
            raise self.error(f"there is no column {node.id!r}")
        for child in ast.iter_child_nodes(node):
            self._check(child)

    def _check_call(self, node: ast.Call) -> None:
        """`column.method(constants)` or `column.str.method(constants)`."""
        function = node.func
        allowed: tuple[str, ...] = _METHODS
        owner = function.value if isinstance(function, ast.Attribute) else None
        if isinstance(owner, ast.Attribute) and owner.attr == "str":
            owner, allowed = owner.value, _STRING_METHODS
        if not isinstance(function, ast.Attribute) or function.attr not in allowed or not isinstance(owner, ast.Name):
            raise self.error(f"{ast.unparse(node)!r} is not allowed")
        for part in (owner, *node.args, *node.keywords):
            self._check(part)

    def error(self, why: str) -> UsageError:
        """What is wrong with the expression, as a sentence."""
        names = ", ".join(self._table.names)
        return UsageError(f"--where {self._expression!r}: {why}; the columns of {self._table.name} are {names}")


class _TimesRead(ast.NodeTransformer):
    """Makes times of the texts that columns of times are compared with; pandas compares none without a zone."""

    def __init__(self, condition: Condition) -> None:
        self._condition = condition

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        if any(self._condition.is_time(part) for part in (node.left, *node.comparators)):
            if any(isinstance(operator, ast.In | ast.NotIn) for operator in node.ops):
                raise self._condition.error("times are compared with < and >, not looked up in lists")
            node.left = self._read(node.left)
            node.comparators = [self._read(part) for part in node.comparators]
        return self.generic_visit(node)

    def _read(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return ast.Constant(self._condition.time(node.value))
        return node


def _with_words(expression: str) -> str:
    """`&` and `|` as `and` and `or`, whose precedence people expect; operators inside of quotes stay."""
    pieces, at = [], 0
    for token in tokenize.generate_tokens(io.StringIO(expression).readline):
        if token.type == tokenize.OP and token.string in _OPERATORS and token.start[0] == 1:
            pieces += [expression[at : token.start[1]], _OPERATORS[token.string]]
            at = token.end[1]
    return "".join([*pieces, expression[at:]])
