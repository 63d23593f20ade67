from tests.models import one_width  # noqa: F401
