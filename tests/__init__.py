"""The tests, one folder a room; `acceptance` tells whole stories, `attacks` is named after the harm."""
