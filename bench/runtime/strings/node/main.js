const n=parseInt(process.argv[2]||"1000000");let text="",total=0,marks=0;
for(let i=0;i<n;i++){text+="x"+i+";";if(text.length>100000){for(let k=0;k<text.length;k++)if(text.charCodeAt(k)===120)marks++;
 total+=text.length+text.indexOf("9;")+text.replaceAll("1","one").length;text=text.substring(0,10);}}
console.log(total+" "+marks+" "+text.length);
