"""What goes wrong: bad parts, confusions, confident mistakes, suspected labels, and what a person should look at."""

from evaluation.errors.analysis import ErrorAnalysis, analyse_errors
from evaluation.errors.analyzer import ErrorAnalyzer
from evaluation.errors.page import error_page
from evaluation.errors.review import ReviewItem
from evaluation.errors.telling import error_lines
from evaluation.errors.writing import write_errors

__all__ = [
    "ErrorAnalysis",
    "ErrorAnalyzer",
    "ReviewItem",
    "analyse_errors",
    "error_lines",
    "error_page",
    "write_errors",
]
