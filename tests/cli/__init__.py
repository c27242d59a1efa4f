"""What can a person at a terminal do, and does it do what it says?"""
