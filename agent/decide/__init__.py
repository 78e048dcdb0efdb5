"""Decide: whose value counts. Pure over a batch; the rows it returns are written by agent.decide.write."""
