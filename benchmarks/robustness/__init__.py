"""What happens when processes, servers or sensors fail, or the machine is another one."""
