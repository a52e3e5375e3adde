"""Sign up, sign in (here and to the admin), sign out."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import login
from django.contrib.auth.views import LoginView, LogoutView, RedirectURLMixin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView, View

from . import services, throttle
from .forms import SignInForm, SignUpForm


def _attempt(request: HttpRequest, action: str) -> dict[str, str]:
    return {
        "action": action,
        "address": request.META.get("REMOTE_ADDR", ""),
        "name": request.POST.get("username", ""),
    }


def _too_many(request: HttpRequest, wait: int) -> HttpResponse:
    response = render(request, "429.html", {"retry_after": wait}, status=429)
    response["Retry-After"] = str(wait)
    return response


class ThrottledMixin(View):
    """Answers 429 to a POST that guesses too often."""

    http_method_names = ["get", "head", "post", "options"]
    throttle_action: str

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        wait = throttle.attempt_record(**self.attempt())
        if wait:
            return _too_many(request, wait)
        return super().post(request, *args, **kwargs)  # type: ignore[misc]  # FormView's, beside this mixin

    def attempt(self) -> dict[str, str]:
        """Who tries what: the arguments of the throttle."""
        return _attempt(self.request, self.throttle_action)


class SignInView(ThrottledMixin, LoginView):
    """Django's sign-in, throttled."""

    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True
    throttle_action = "sign-in"

    def form_valid(self, form: Any) -> HttpResponse:
        throttle.attempts_forget(**self.attempt())
        return super().form_valid(form)


def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """The admin's own sign-in behind the same counters, so that neither door is a way round the other."""
    if request.method != "POST":
        return admin.site.login(request)
    attempt = _attempt(request, SignInView.throttle_action)
    wait = throttle.attempt_record(**attempt)
    if wait:
        return _too_many(request, wait)
    response = admin.site.login(request)
    if response.status_code == 302:  # only a right password leads on; a wrong one shows the form again
        throttle.attempts_forget(**attempt)
    return response


@method_decorator([sensitive_post_parameters(), csrf_protect, never_cache], name="dispatch")
class SignUpView(ThrottledMixin, RedirectURLMixin, FormView):
    """Makes an account and signs it in."""

    template_name = "accounts/sign_up.html"
    form_class = SignUpForm
    throttle_action = "sign-up"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            return HttpResponseRedirect(self.get_success_url())
        return super().dispatch(request, *args, **kwargs)

    def get_default_redirect_url(self) -> str:
        return resolve_url("streams:directory")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(next=self.get_redirect_url(), **kwargs)

    def form_valid(self, form: SignUpForm) -> HttpResponse:
        data = form.cleaned_data
        try:
            user = services.user_register(
                username=data["username"], password=data["password1"], display_name=data["display_name"]
            )
        except ValidationError as error:
            # Only a race for the name gets here: the form has checked all the rest.
            form.add_error(None, error)
            return self.form_invalid(form)
        login(self.request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
        messages.success(self.request, _("Welcome, %(name)s.") % {"name": user.shown_name})
        return HttpResponseRedirect(self.get_success_url())


class SignOutView(LogoutView):
    """Django's sign-out, by POST only, with a word that it happened."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]
        response = super().post(request, *args, **kwargs)
        messages.success(request, _("You are signed out."))
        return response
