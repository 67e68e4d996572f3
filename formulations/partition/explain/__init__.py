"""Why a problem has no placement."""
