"""Lists in the admin that stay fast with a million rows: counted to a limit, searched by the beginning of a name."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin

# Nobody turns a hundred pages; counting further, or jumping over so many rows, costs time for a number nobody reads.
COUNTED = 10_000
FOUND_PER_FIELD = 1_000


class CappedPaginator(Paginator):
    """Counts at most COUNTED rows and leads no further; `is_capped` says that there are more."""

    template_name = "admin/pagination_capped.html"
    is_capped = False

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if not isinstance(rows, QuerySet):
            return len(rows)
        found: int = rows.order_by().values("pk")[: COUNTED + 1].count()
        self.is_capped = found > COUNTED
        return min(found, COUNTED)


class BigListAdmin(ModelAdmin):
    """A list of a large table. `prefix_fields` are indexed; a search finds what begins with what was typed.

    Each field is asked by itself, with the filters of the list, so that each uses its own index: a search over all of
    them at once lets the database walk the table in the order of the list. At most FOUND_PER_FIELD rows a field.
    """

    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0
    prefix_fields: tuple[str, ...] = ()

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return tuple(f"^{field}" for field in self.prefix_fields)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Rows in which a field begins with the term, or whose number it is; none of them twice."""
        term = search_term.strip()
        if not term:
            return queryset, False
        plain = queryset.order_by()
        found = {
            pk
            for field in self.prefix_fields
            for pk in plain.filter(**{f"{field}__istartswith": term}).values_list("pk", flat=True)[:FOUND_PER_FIELD]
        }
        if (number := self.number_of(term)) is not None:
            found.add(number)
        return queryset.filter(pk__in=found), False

    def number_of(self, term: str) -> int | None:
        """The row's number, if the term is one."""
        return int(term) if term.isascii() and term.isdigit() and len(term) <= 18 else None
