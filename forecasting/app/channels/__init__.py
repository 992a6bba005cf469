"""Where alerts go: one module for each kind of channel, behind the protocol of `forecasting.app.channels.channel`."""
