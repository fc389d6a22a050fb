"""A Django project in one file, gated by django-hcaptcha-field or django-hCaptcha.

Everything of the captcha is the package's: field, widget, the check of the token.
Nothing of theirs had to be shimmed for Django 5.2.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import django
from django import forms
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.urls import path
from thirdparty_serving import CONTENT, TEXT, options, serve

if TYPE_CHECKING:
    from collections.abc import Callable

OPTIONS = options()
NAME = OPTIONS["name"]
GATE = """<!DOCTYPE html><html lang="en"><head><title>{name}</title></head><body>
<p>Please show that you are a person.</p>
<form method="post"><input type="hidden" name="csrfmiddlewaretoken" value="{csrf}">
{form}<button type="submit">Go on</button></form></body></html>"""
REGISTER = """<form method="post" action="/register">
<input type="hidden" name="csrfmiddlewaretoken" value="{csrf}">
{form}<button type="submit">Register</button></form>"""

settings.configure(
    SECRET_KEY="only for this test",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[OPTIONS["package"]],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        f"{__name__}.gate",
    ],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
        }
    ],
    USE_TZ=True,
    HCAPTCHA_SITEKEY=OPTIONS["sitekey"],
    HCAPTCHA_SECRET=OPTIONS["secret"],
    HCAPTCHA_VERIFY_URL=OPTIONS["siteverify"],
)
django.setup()

# Only now: django-hCaptcha reads the settings when it is imported.
captcha_field = import_module(f"{OPTIONS['package']}.fields").hCaptchaField
Gate: Any = type("Gate", (forms.Form,), {"captcha": captcha_field(label="")})
Register: Any = type(
    "Register",
    (forms.Form,),
    {
        "username": forms.CharField(),
        "email": forms.EmailField(),
        "password": forms.CharField(widget=forms.PasswordInput),
        "captcha": captcha_field(label=""),
    },
)


def gate(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Show the captcha instead of any page but one, until a session has passed."""

    def show(request: Any) -> Any:
        if request.path == "/register" or request.session.get("passed"):
            return get_response(request)
        form = Gate(request.POST or None)
        if request.method == "POST" and form.is_valid():
            request.session["passed"] = True
            return HttpResponseRedirect(request.get_full_path())
        page = GATE.format(name=NAME, csrf=get_token(request), form=form.as_p())
        return HttpResponse(page)

    def checked(request: Any) -> Any:
        # A middleware is called before the CSRF check, which belongs to the views.
        check = CsrfCheck(show)
        return check.process_view(request, show, (), {}) or show(request)

    return checked


CsrfCheck: Any = import_module("django.middleware.csrf").CsrfViewMiddleware


def content(request: Any, number: int) -> Any:
    page = CONTENT.format(name=NAME, number=number, text=TEXT, form="")
    return HttpResponse(page)


def register(request: Any) -> Any:
    form = REGISTER.format(csrf=get_token(request), form=Register().as_p())
    return HttpResponse(CONTENT.format(name=NAME, number=0, text=TEXT, form=form))


urlpatterns = [path("page/<int:number>", content), path("register", register)]

if __name__ == "__main__":
    serve(get_wsgi_application())
