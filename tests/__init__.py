"""Tests of both packages, and of the project as a whole."""
