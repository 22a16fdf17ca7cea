"""tailrace: response streaming from serverless functions, on time and on any path."""

__version__ = "0.1.0.dev0"
