"""What this project says of gates that cannot be told by what their pages show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy import FormRequest

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response

    from scrapy_onecaptcha import Challenge, Solution

#: The sitekey of the directory's gate; its other captcha guards telephone numbers.
WALL = "cea5c2e0-0d1f-5399-86b0-9ef7632b002d"


def is_gate(response: Response, challenge: Challenge) -> bool:
    """Tell the directory's gate from its other captchas, by its sitekey."""
    return challenge.sitekey == WALL


def submit(
    request: Request, response: Response, challenge: Challenge, solution: Solution
) -> Request:
    """Send the token as the site's own script does, which is in a file of its own."""
    return FormRequest(
        response.urljoin("/check"), formdata={"h-captcha-response": solution.token}
    )
