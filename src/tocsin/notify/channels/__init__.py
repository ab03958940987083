"""Channels: console, webhook, e-mail. The only code of notify that does I/O."""
