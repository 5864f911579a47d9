import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotts.text.normalize import normalize

ENGLISH = [
    # plain numbers
    ("I have 3 cats.", "I have three cats."),
    ("21 guns", "twenty one guns"),
    ("105 steps", "one hundred five steps"),
    ("1,234 people", "one thousand two hundred thirty four people"),
    ("1,000,000 stars", "one million stars"),
    ("3.14", "three point one four"),
    ("0.5", "zero point five"),
    (".75", "point seven five"),
    ("2.50 is 2.5", "two point five zero is two point five"),
    ("It was -5 outside.", "It was minus five outside."),
    ("−12.5", "minus twelve point five"),
    ("agent 007", "agent zero zero seven"),
    ("Pages 3-5", "Pages three to five"),
    ("Pages 3–5", "Pages three to five"),
    ("10 - 12 days", "ten to twelve days"),
    ("version 1.2.3", "version one point two point three"),
    ("1/2 of it", "one half of it"),
    ("3/4", "three quarters"),
    ("2/3 cup", "two thirds cup"),
    ("1 1/2 cups", "one and a half cups"),
    ("2 3/4", "two and three quarters"),
    ("½ a cake", "one half a cake"),
    ("1½ miles", "one and a half miles"),
    ("open 24/7", "open twenty four seven"),
    ("50%", "fifty percent"),
    ("3.5 %", "three point five percent"),
    ("5-10%", "five to ten percent"),
    ("the score was 3:1", "the score was three to one"),
    ("12345678901234567890", "one two three four five six seven eight nine zero " * 2),
    ("٣ apples", "three apples"),
    # money
    ("$5.20", "five dollars and twenty cents"),
    ("$5", "five dollars"),
    ("$1", "one dollar"),
    ("$1.01", "one dollar and one cent"),
    ("$0.99", "ninety nine cents"),
    ("$5.00", "five dollars"),
    ("£3m", "three million pounds"),
    ("€1,000.50", "one thousand euros and fifty cents"),
    ("$2 million", "two million dollars"),
    ("$1.5bn", "one point five billion dollars"),
    ("$10k", "ten thousand dollars"),
    ("US$40", "forty US dollars"),
    ("£1", "one pound"),
    ("£2.01", "two pounds and one penny"),
    ("£2.50", "two pounds and fifty pence"),
    ("¥500", "five hundred yen"),
    ("20 €", "twenty euros"),
    ("99¢", "ninety nine cents"),
    ("$5-$10", "five to ten dollars"),
    ("$5-10", "five to ten dollars"),
    ("-$5", "minus five dollars"),
    ("a $20 bill", "a twenty dollar bill"),
    ("300 USD", "three hundred US dollars"),
    # dates and years
    ("2024-05-06", "May sixth, twenty twenty four"),
    ("5/6/2024", "May sixth, twenty twenty four"),
    ("25/12/1999", "December twenty fifth, nineteen ninety nine"),
    ("May 6th, 2024", "May sixth, twenty twenty four"),
    ("May 6, 2024, was fine", "May sixth, twenty twenty four, was fine"),
    ("6 May 2024", "the sixth of May, twenty twenty four"),
    ("the 6th of May", "the sixth of May"),
    ("The 3rd of July, 1776", "The third of July, seventeen seventy six"),
    ("on 12/25 we eat", "on December twenty fifth we eat"),
    ("on Jan. 3", "on January third"),
    ("Dec 25", "December twenty fifth"),
    ("June 5-7", "June fifth to seventh"),
    ("March 2020", "March twenty twenty"),
    ("the 1990s", "the nineteen nineties"),
    ("the '90s", "the nineties"),
    ("the ’80s", "the eighties"),
    ("the 1900s", "the nineteen hundreds"),
    ("in her 20s", "in her twenties"),
    ("In 1984 he left.", "In nineteen eighty four he left."),
    ("born in 1905", "born in nineteen oh five"),
    ("since 2005", "since two thousand five"),
    ("by 2012", "by twenty twelve"),
    ("in 2000", "in two thousand"),
    ("in 1800", "in eighteen hundred"),
    ("in 1066", "in ten sixty six"),
    ("1939-1945", "nineteen thirty nine to nineteen forty five"),
    ("1500 soldiers", "one thousand five hundred soldiers"),
    ("the class of '99", "the class of ninety nine"),
    # times
    ("3:30pm", "three thirty P-M"),
    ("3:30 p.m. sharp", "three thirty P-M sharp"),
    ("15:05", "fifteen oh five"),
    ("at 7 a.m. on Monday", "at seven A-M on Monday"),
    ("We met at 7 a.m.", "We met at seven A-M."),
    ("20:00–22:30", "twenty hundred to twenty two thirty"),
    ("9AM", "nine A-M"),
    ("12:00", "twelve o'clock"),
    ("It's 5 o'clock!", "It's five o'clock!"),
    # ordinals
    ("the 21st century", "the twenty first century"),
    ("1st, 2nd, 3rd, 4th", "first, second, third, fourth"),
    ("the 100th time", "the one hundredth time"),
    ("21st-century", "twenty first-century"),
    # abbreviations
    ("Dr. Smith", "Doctor Smith"),
    ("Mr. and Mrs. Jones", "Mister and Missus Jones"),
    ("Ms. Lee met Prof. Chu.", "Miz Lee met Professor Chu."),
    ("St. John lives on Main St.", "Saint John lives on Main Street."),
    ("12 Elm St. Boston", "twelve Elm Street Boston"),
    ("Elm Dr. is closed", "Elm Drive is closed"),
    ("apples, pears, etc.", "apples, pears, et cetera."),
    ("fruit, e.g. apples", "fruit, for example apples"),
    ("late, i.e., not now", "late, that is, not now"),
    ("cats vs. dogs", "cats versus dogs"),
    ("No. 5", "number five"),
    ("No. That is wrong.", "No. That is wrong."),
    ("Sammy Davis Jr. sang", "Sammy Davis Junior sang"),
    ("Apple Inc. said", "Apple Incorporated said"),
    ("the U.S. army", "the US army"),
    ("J. R. R. Tolkien", "J R R Tolkien"),
    ("George W. Bush", "George W Bush"),
    ("Mt. Everest", "Mount Everest"),
    ("see p. 12", "see page twelve"),
    ("vol. 3", "volume three"),
    # units
    ("5 km", "five kilometers"),
    ("1 km", "one kilometer"),
    ("10 kg", "ten kilograms"),
    ("3°C", "three degrees Celsius"),
    ("-3 °C", "minus three degrees Celsius"),
    ("72°F", "seventy two degrees Fahrenheit"),
    ("60 mph", "sixty miles per hour"),
    ("100 km/h", "one hundred kilometers per hour"),
    ("5'11\"", "five foot eleven"),
    ("he is 6' tall", "he is six feet tall"),
    ("20 m²", "twenty square meters"),
    ("a 5-km run", "a five kilometer run"),
    ("3-5 km", "three to five kilometers"),
    ("2 lbs", "two pounds"),
    ("8 GB", "eight gigabytes"),
    ("440 Hz", "four hundred forty hertz"),
    ("a 5-year-old", "a five-year-old"),
    # addresses and telephone numbers
    ("Go to https://www.example.com/news.", "Go to W W W dot example dot com slash news."),
    ("visit example.org now", "visit example dot org now"),
    ("mail jo_b@example.com!", "mail jo underscore b at example dot com!"),
    ("555-123-4567", "five five five, one two three, four five six seven"),
    ("(555) 123-4567", "five five five, one two three, four five six seven"),
    ("call 911", "call nine one one"),
    # names of letters and numerals
    ("the FBI and NASA", "the FBI and NASA"),
    ("Henry VIII", "Henry the eighth"),
    ("Chapter IV", "Chapter four"),
    ("World War II", "World War two"),
    ("Elizabeth I was queen", "Elizabeth the first was queen"),
    ("Mary I think so", "Mary I think so"),
    ("I came, I saw", "I came, I saw"),
    ("a MIX of it", "a MIX of it"),
    ("WWII ended", "World War two ended"),
    ("Louis XIV's wig", "Louis the fourteenth's wig"),
    ("Rocky III", "Rocky three"),
    ("vitamin A.", "vitamin eh."),
    ("B2B, MP3 and COVID-19", "B two B, MP three and COVID nineteen"),
    # symbols
    ("salt & pepper", "salt and pepper"),
    ("R&B", "R and B"),
    ("#1", "number one"),
    ("#winning", "hashtag winning"),
    ("2 + 2 = 4", "two plus two equals four"),
    ("3 × 4", "three times four"),
    ("and/or", "and or"),
    ("@home", "at home"),
    ("~20 people", "about twenty people"),
    ("x²", "x squared"),
    ("*really* _good_", "really good"),
    ("<i>Go</i> &amp; hide", "Go and hide"),
    ("$5/month", "five dollars per month"),
    # punctuation and characters
    ("“Curly” quotes’ end", "Curly quotes end"),
    ("it’s", "it's"),
    ("'hello'", "hello"),
    ("rock 'n' roll", "rock 'n roll"),
    ("'Twas the night", "'Twas the night"),
    ("well--no", "well — no"),
    ("well — no", "well — no"),
    ("wait...", "wait…"),
    ("wait. . . what", "wait… what"),
    ("(quietly) no", "quietly, no"),
    ("hello 😀 world 👩‍👩‍👧!", "hello world!"),
    ("zero\u200bwidth\ufeff", "zerowidth"),
    ("line one\nline two", "line one line two"),
    ("Title\n\nText", "Title. Text"),
    ("What?! No!!!", "What? No!"),
    ("THE FBI IS ON TO US", "the FBI is on to us"),
    ("WHY ARE YOU TELLING US THIS", "why are you telling us this"),
    ("Noooo! Sooo good, yesss", "No! So good, yes"),
    ("Shhh... mmm", "Shush… hmm"),
    ("ﬁne ｆｕｌｌ", "fine full"),
    ("£", "pounds"),
    ("...", ""),
    ("", ""),
]


@pytest.mark.parametrize(("text", "expected"), ENGLISH, ids=[text[:24] or "empty" for text, _ in ENGLISH])
def test_english_is_written_as_it_is_said(text: str, expected: str) -> None:
    assert normalize(text) == expected.strip()


@pytest.mark.parametrize("expected", [expected for _, expected in ENGLISH if expected])
def test_words_stay_as_they_are(expected: str) -> None:
    assert normalize(expected) == expected.strip()


def test_slashed_dates_follow_the_country() -> None:
    assert normalize("5/6/2024", "en-gb") == "June fifth, twenty twenty four"
    assert normalize("5/6/2024", "en-us") == "May sixth, twenty twenty four"


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("de", "Ich habe 3 Katzen.", "Ich habe drei Katzen."),
        ("de", "1.234 Leute", "eintausendzweihundertvierunddreißig Leute"),
        ("fr-fr", "J'ai 21 ans !", "J'ai vingt et un ans!"),
        ("es", "¿Tienes 2 perros?", "Tienes dos perros?"),
        ("ru", "5 минут", "пять минут"),
        ("cmn", "你好，世界。", "你好, 世界."),
        ("cmn", "3.5 元", "3.5 元"),
    ],
)
def test_other_languages_get_folded_punctuation_and_number_words(
    language: str, text: str, expected: str
) -> None:
    assert normalize(text, language) == expected


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60) | st.text("0123456789.,:-/$%'\" aAmMpPtThHkIVX\n", max_size=30))
def test_any_text_becomes_clean_words(text: str) -> None:
    result = normalize(text)
    assert result == result.strip()
    assert not any(character.isdigit() and character.isascii() for character in result)
    assert "  " not in result
