"""Checks of the answers to the exercises of the lessons, one module for each lesson.

A check says whether an answer is right, and why. It never says the solution. The expected value
comes from what the lesson has computed, so that a check holds for any recording and any parameter.
"""
