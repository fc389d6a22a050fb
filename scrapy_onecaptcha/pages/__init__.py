"""Reading pages: gate or widget, its sitekey, and how it takes its token."""
