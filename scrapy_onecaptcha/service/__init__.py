"""The 1captcha service: its protocol, its errors, HTTP, and one solve."""
