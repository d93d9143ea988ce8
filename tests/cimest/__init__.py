"""Tests of cimest, a file for each room."""
