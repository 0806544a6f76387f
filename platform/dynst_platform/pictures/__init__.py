"""Pictures that runs leave behind."""
