"""Completion: when will each open order arrive?"""

from tasks.completion.task import CompletionTask

__all__ = ["CompletionTask"]
