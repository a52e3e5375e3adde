"""Lists in the admin that stay fast with a million rows: counted to a limit, searched by the beginning of a name."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

# Nobody turns a hundred pages; counting further, or jumping over so many rows, costs time for a number nobody reads.
COUNTED = 10_000
FOUND_PER_FIELD = 1_000
# Rows that one action is done to: each is asked about by name, and done one after the other.
CHOSEN = 500


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

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Do what was chosen, to no more than CHOSEN rows: a list of a million can be chosen with one click."""
        is_all = forms.BooleanField(required=False).to_python(request.POST.get("select_across"))
        count = queryset[: CHOSEN + 1].count() if is_all else len(request.POST.getlist(ACTION_CHECKBOX_NAME))
        if count <= CHOSEN:
            return super().response_action(request, queryset)
        text = _("Choose no more than %(count)d rows at once; search or filter to see fewer. Nothing was done.")
        self.message_user(request, text % {"count": CHOSEN}, messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())

    def number_of(self, term: str) -> int | None:
        """The row's number, if the term is one."""
        return int(term) if term.isascii() and term.isdigit() and len(term) <= 18 else None
