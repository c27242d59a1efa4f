"""Is the house itself in order: its shape, its walls, its door and its locks?"""
