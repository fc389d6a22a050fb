"""A stand-in for the 1captcha service, and for siteverify."""
