"""What files and the environment may say: jobs, sweeps, cluster profiles, and where everything
lies.
"""
