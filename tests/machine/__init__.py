"""A random test of the whole service against a model: histories of stories, and what must hold after every one."""
