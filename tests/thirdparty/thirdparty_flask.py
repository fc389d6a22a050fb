"""A Flask app gated by Flask-hCaptcha or Flask-xCaptcha.

Everything of the captcha is the package's: its markup, the check of the token. Flask
has no CSRF field of its own, so there is one by hand. Nothing of theirs had to be
shimmed for Flask 3.1.
"""

from __future__ import annotations

import secrets
from typing import Any

from flask import Flask, redirect, render_template_string, request, session
from thirdparty_serving import CONTENT, TEXT, options, serve

OPTIONS = options()
NAME = OPTIONS["name"]
GATE = """<!DOCTYPE html><html lang="en"><head><title>{{ name }}</title></head><body>
<p>Please show that you are a person.</p>
<form method="post"><input type="hidden" name="csrf" value="{{ csrf }}">
{{ captcha }}<input type="submit" value="Go on"></form></body></html>"""
CONTACT = """<form method="post" action="/contact"><label>Your name
<input name="name" required></label><label>Message
<textarea name="message" required></textarea></label>{captcha}
<button>Send</button></form>"""

app = Flask(__name__)
app.config.update(
    SECRET_KEY="only for this test",
    HCAPTCHA_SITE_KEY=OPTIONS["sitekey"],
    HCAPTCHA_SECRET_KEY=OPTIONS["secret"],
    XCAPTCHA_SITE_KEY=OPTIONS["sitekey"],
    XCAPTCHA_SECRET_KEY=OPTIONS["secret"],
    XCAPTCHA_VERIFY_URL=OPTIONS["siteverify"],
    XCAPTCHA_API_URL="https://hcaptcha.com/1/api.js",
    XCAPTCHA_DIV_CLASS="h-captcha",
)


def captcha_of(package: str) -> Any:
    """Return the extension, which checks at the sandbox."""
    if package == "flask_hcaptcha":
        from flask_hcaptcha import hCaptcha

        hCaptcha.VERIFY_URL = OPTIONS["siteverify"]
        return hCaptcha(app)
    from flask_xcaptcha import XCaptcha

    return XCaptcha(app)


captcha = captcha_of(OPTIONS["package"])


def gate() -> Any:
    """Show the captcha instead of any page but one, until a session has passed."""
    if request.path == "/contact" or session.get("passed"):
        return None
    if request.method == "POST":
        if request.form["csrf"] != session.get("csrf"):
            return "The form is not yours.", 400
        if captcha.verify():
            session["passed"] = True
            return redirect(request.full_path.rstrip("?"))
    session.setdefault("csrf", secrets.token_hex(16))
    return render_template_string(
        GATE, name=NAME, csrf=session["csrf"], captcha=_markup()
    )


def _markup() -> Any:
    return app.jinja_env.filters["safe"](captcha.get_code())


def content(number: int) -> str:
    return CONTENT.format(name=NAME, number=number, text=TEXT, form="")


def contact() -> str:
    form = CONTACT.format(captcha=captcha.get_code())
    return CONTENT.format(name=NAME, number=0, text=TEXT, form=form)


app.before_request(gate)
app.add_url_rule("/page/<int:number>", view_func=content, methods=["GET", "POST"])
app.add_url_rule("/contact", view_func=contact)

if __name__ == "__main__":
    serve(app)
