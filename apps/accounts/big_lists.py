"""Lists in the admin that stay fast with a million rows: counted to a limit, searched by the beginning of a name."""

from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

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

    def page(self, number: Any) -> Page:
        """A page whose rows are chosen first, by number alone, and then read with all that is shown of them.

        In one query with joins the database may begin at the smallest table, and sort all rows of the large one.
        """
        page = super().page(number)
        rows = page.object_list
        if isinstance(rows, QuerySet) and isinstance(self.object_list, QuerySet):
            page.object_list = self.object_list.filter(pk__in=list(rows.values_list("pk", flat=True)))
        return page


class BigChangeList(ChangeList):
    """A list in the order of one column, and of the rows' numbers where that is equal: what an index can give."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        first = str(super().get_ordering(request, queryset)[0])
        number = "-pk" if first.startswith("-") else "pk"
        return [first] if first in ("pk", "-pk", "id", "-id") else [first, number]


class BigListAdmin(ModelAdmin):
    """A list of a large table. `search_fields` are indexed and begin with "^": a search finds what begins so.

    Each field is asked by itself, with the filters of the list, so that each uses its own index: a search over all of
    them at once lets the database walk the table in the order of the list. At most FOUND_PER_FIELD rows a field.
    """

    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BigChangeList

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
            for field in (marked.removeprefix("^") for marked in self.get_search_fields(request))
            for pk in plain.filter(**{f"{field}__istartswith": term}).values_list("pk", flat=True)[:FOUND_PER_FIELD]
        }
        if (number := self.number_of(term)) is not None:
            found.add(number)
        return queryset.filter(pk__in=found), False

    def number_of(self, term: str) -> int | None:
        """The row's number, if the term is one."""
        return int(term) if term.isascii() and term.isdigit() and len(term) <= 18 else None
