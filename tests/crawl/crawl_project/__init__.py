"""A Scrapy project as users have one; `test_crawl_neighbours` runs its commands."""
