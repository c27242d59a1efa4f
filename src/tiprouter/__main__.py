"""What does `python -m tiprouter` start?"""

from tiprouter.cli.main import run

if __name__ == "__main__":
    run()
