"""First names by gender, and family names."""

from __future__ import annotations

__all__ = ["FAMILY_NAMES", "MEN", "WOMEN"]

WOMEN = tuple(
    """
    Mary Anna Alice Emma Sarah Laura Julia Lucy Kate Jane Susan Linda Lisa Karen Nancy Helen Sandra Donna Carol Ruth
    Sharon Michelle Jennifer Jessica Emily Amanda Melissa Rachel Maria Diana Rebecca Elizabeth Margaret Barbara Patricia
    Catherine Katherine Christine Sophia Olivia Claire Martha Eleanor Alexandra Samantha Stephanie Nicole Hannah Natalie
    Caroline Angela Heather Amy Julie Louise Frances Dorothy Joan Judith Ellen Anne Marie Teresa Monica Veronica
    Isabella Ella Eva Sally Betty Molly Maggie Rosa Irene Clara Leah Sara Naomi Esther Deborah Gloria Alison Wendy Jill
    Tina Pamela Janet Cynthia Kathleen Annie Edith Sophie Jenny Debbie Cheryl Brenda Carolyn Denise Diane Sylvia Lydia
    """.split()
)
"""Given to women, and neither a common word nor a place."""

MEN = tuple(
    """
    John James David Michael Robert William Richard Thomas Charles Joseph Daniel Matthew Paul Steven Andrew Kenneth
    George Joshua Kevin Brian Edward Ronald Timothy Jason Jeffrey Ryan Jacob Gary Nicholas Eric Jonathan Stephen Larry
    Justin Scott Brandon Benjamin Samuel Gregory Raymond Alexander Patrick Jack Dennis Jerry Tyler Aaron Henry Adam
    Douglas Nathan Peter Zachary Kyle Walter Harold Jeremy Ethan Carl Keith Roger Arthur Lawrence Sean Albert Simon
    Oliver Philip Martin Luke Alan Bruce Ralph Roy Eugene Louis Howard Vincent Bobby Fred Anthony Tom Tim Jim Bill Joe
    Mike Dave Steve Ben Greg Matt Nick Tony Donald Frederick Leonard Edgar Ernest Hugh Neil Ian Derek Colin Graham
    """.split()
)
"""Given to men."""

FAMILY_NAMES = tuple(
    """
    Smith Johnson Brown Jones Miller Davis Wilson Anderson Taylor Moore Jackson Thompson White Harris Clark Lewis
    Robinson Walker Hall Allen Young Wright Hill Green Adams Baker Nelson Carter Mitchell Roberts Turner Phillips
    Campbell Parker Evans Edwards Collins Stewart Morris Rogers Reed Cook Morgan Bell Murphy Bailey Cooper Richardson
    Cox Ward Peterson Watson Brooks Kelly Wood Bennett Hughes Foster Butler Simmons Russell Griffin Hayes Hamilton
    Sullivan Wallace Woods West Jordan Reynolds Fisher Gibson Marshall Murray Freeman Wells Webb Simpson Stevens Tucker
    Porter Hunter Crawford Mason Kennedy Warren Dixon Burns Gordon Shaw Holmes Rice Palmer Black Stone Knight Fox
    """.split()
)
