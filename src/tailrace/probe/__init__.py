"""The probe: when was each chunk of a response written, and when did it arrive?"""
