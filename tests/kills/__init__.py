"""The real processes under load, killed in turn: is anything lost, told twice, told without a permit, or late?"""
