"""What people look at: pictures and the folder that an evaluation leaves behind."""
