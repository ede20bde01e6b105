"""Face image quality: score, improve, evaluate and deploy (see `fiqa --help`)."""

__version__ = "0.1.0"
