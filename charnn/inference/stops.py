"""Stop strings: a stream of characters that ends before the first of them."""


class StopFilter:
    """Holds back the text that may begin a stop string; releases the rest."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self.held = ""
        self.stopped = False

    def push(self, character: str) -> str:
        """Take the next character; return what is now certain to stand before every stop string."""
        if not self._stops:
            return character
        text = self.held + character
        ended = [stop for stop in self._stops if text.endswith(stop)]
        if ended:
            self.stopped, self.held = True, ""
            return text[: -max(map(len, ended))]
        free = 0
        while free < len(text) and not any(stop.startswith(text[free:]) for stop in self._stops):
            free += 1
        self.held = text[free:]
        return text[:free]
