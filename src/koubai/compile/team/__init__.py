"""Threads that run compiled programs together: how many, how the work is shared, how they begin and end.

Programs decide by shapes alone what each unit of work computes; a team only deals the units out. So the bits of
a result do not depend on how many threads there are, nor on whether there is a team at all. May import
`compile.llvm`, and what keeps objects and memory.
"""

from koubai.compile.team.pool import Team, get_num_threads, set_num_threads, team

__all__ = ["Team", "get_num_threads", "set_num_threads", "team"]
