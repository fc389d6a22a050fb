"""What ``scrapy onecaptcha`` can do: one module for each tool, loaded when named."""
