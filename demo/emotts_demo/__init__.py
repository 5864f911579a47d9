"""The Gradio page of `emotts demo`: speech with emotion and length, and dubbing.

`app` puts the page together and starts it. `speech_tab` and `dub_tab` lay the two tabs out and connect them;
`wish` and `dub_session` are what they do, without Gradio; `pictures` and `timeline` draw.
"""

from __future__ import annotations

import os

# Gradio reads them when it is imported: no statistics, and no look for newer versions.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
