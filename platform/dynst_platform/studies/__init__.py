"""What the commands share that run many trainings of one question: tasks that resume, references,
tables and plots over seeds.
"""
